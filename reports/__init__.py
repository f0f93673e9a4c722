"""What was found and measured, for people: on a terminal, as pictures, video and pages. Knows no command."""
