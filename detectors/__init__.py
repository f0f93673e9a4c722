"""Networks and their maths, in torch and numpy: tensors in, tensors out. Knows no stage, engine, config or video."""
