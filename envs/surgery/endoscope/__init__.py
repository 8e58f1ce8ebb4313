"""Tasks of the endoscope: reach, upright picture, and tracking."""
