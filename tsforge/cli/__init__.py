"""The command line: one small file per verb; parse, call, print.

A new command is a file in commands/ with a function of its name, and a line of COMMANDS in main; then `make help`.
"""
