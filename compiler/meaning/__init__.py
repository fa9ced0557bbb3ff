"""What a graph means: the rules that it obeys, and what it computes."""
