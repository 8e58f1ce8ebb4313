"""Forward and inverse kinematics: closed form from DH tables, damped least squares from a URDF."""
