"""Whoever perceives and acts: policies, training, evaluation and reports."""
