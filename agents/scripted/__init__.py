"""Experts: scripted policies that use privileged state."""
