"""The environments' entries in Gymnasium's registry; strings only, so that nothing is loaded."""

from gymnasium.envs.registration import register

ENVIRONMENTS = {
    "halsted/NeedleBiopsy-v0": "halsted.envs.surgery.needle_biopsy:NeedleBiopsyEnv",
    "halsted/NeedleBiopsyGoal-v0": "halsted.envs.surgery.needle_biopsy:NeedleBiopsyGoalEnv",
    "halsted/NeedleReach-v0": "halsted.envs.surgery.dexterity.needle_reach:NeedleReachEnv",
    "halsted/GauzeRetrieve-v0": "halsted.envs.surgery.dexterity.gauze_retrieve:GauzeRetrieveEnv",
    "halsted/NeedlePick-v0": "halsted.envs.surgery.dexterity.needle_pick:NeedlePickEnv",
    "halsted/PegTransfer-v0": "halsted.envs.surgery.dexterity.peg_transfer:PegTransferEnv",
    "halsted/NeedleRegrasp-v0": "halsted.envs.surgery.dexterity.needle_regrasp:NeedleRegraspEnv",
    "halsted/BiPegTransfer-v0": "halsted.envs.surgery.dexterity.bi_peg_transfer:BiPegTransferEnv",
    "halsted/RingTransfer-v0": "halsted.envs.surgery.dexterity.ring_transfer:RingTransferEnv",
    "halsted/MatchBoard-v0": "halsted.envs.surgery.dexterity.match_board:MatchBoardEnv",
    "halsted/PickAndPlace-v0": "halsted.envs.surgery.dexterity.pick_and_place:PickAndPlaceEnv",
}


def register_environments() -> None:
    """Tell Gymnasium of every environment."""
    for name, entry_point in ENVIRONMENTS.items():
        register(id=name, entry_point=entry_point)
