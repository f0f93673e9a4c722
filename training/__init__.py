"""From annotated videos to trained detectors and heads. Knows no command and no terminal."""
