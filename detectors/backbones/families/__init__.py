"""The families of video networks, a readable file each, built over networks for single pictures."""
