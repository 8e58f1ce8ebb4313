"""Halsted turns a patient's scan into a place to practise.

Importing it registers the environments with Gymnasium and loads nothing heavy::

    import gymnasium as gym
    import halsted

    env = gym.make("halsted/NeedleBiopsy-v0")
"""

from importlib.metadata import version

from halsted.registration import register_environments

__version__ = version("halsted")

register_environments()
