"""What `render` draws over a video: boxes and names of people, and a timeline below the picture."""
