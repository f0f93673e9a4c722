"""The command line, one command or group a file; nothing imports it but run.py."""
