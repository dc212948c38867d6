"""The command line: a module a command, with its arguments, its examples and its run; `main` lists them.

A new command is a module with a `Command`, and its row in `webhook.command.main.COMMANDS`. What commands share is a noun of its own:
the pods of a file, the assumed cluster, the output, the terminal's colours, the exit codes.
"""
