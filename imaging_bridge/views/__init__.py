"""Scans shown to people: three linked slices as a picture or as a page."""

from halsted.imaging_bridge.views.page import write_page
from halsted.imaging_bridge.views.picture import draw_picture

__all__ = ["draw_picture", "write_page"]
