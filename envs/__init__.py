"""Gymnasium environments and the physiology they stand on."""
