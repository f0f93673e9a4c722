"""Files of labelled spans and boxes: read strictly, written exactly. Knows no network, no stage and no engine."""
