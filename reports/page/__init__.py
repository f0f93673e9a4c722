"""The page that `report` writes: rows and pictures of a results folder, a template, its style and its script."""
