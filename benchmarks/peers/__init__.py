"""One module a peer; each has ``make(workload)``, which gives a function that does so many steps and returns a number."""
