"""Arms, kinematics, the simulated world, and tissue as a needle feels it."""
