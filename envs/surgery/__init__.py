"""Environments of robot-assisted surgery."""
