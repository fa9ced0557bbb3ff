"""The subcommands of ``gradwright``. Their modules import what is heavy when a command runs, so that help comes at once."""
