"""The environments' entries in Gymnasium's registry; strings only, so that nothing is loaded."""

from gymnasium.envs.registration import register

ENVIRONMENTS = {
    "halsted/NeedleBiopsy-v0": "halsted.envs.surgery.needle_biopsy:NeedleBiopsyEnv",
    "halsted/NeedleBiopsyGoal-v0": "halsted.envs.surgery.needle_biopsy:NeedleBiopsyGoalEnv",
}


def register_environments() -> None:
    """Tell Gymnasium of every environment."""
    for name, entry_point in ENVIRONMENTS.items():
        register(id=name, entry_point=entry_point)
