"""One step of the work a file: settings, setup(), one method. Knows no engine, no command and no report."""
