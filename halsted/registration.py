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
    "halsted/ECMReach-v0": "halsted.envs.surgery.endoscope.ecm_reach:ECMReachEnv",
    "halsted/MisOrient-v0": "halsted.envs.surgery.endoscope.mis_orient:MisOrientEnv",
    "halsted/StaticTrack-v0": "halsted.envs.surgery.endoscope.static_track:StaticTrackEnv",
    "halsted/ActiveTrack-v0": "halsted.envs.surgery.endoscope.active_track:ActiveTrackEnv",
    "halsted/Suture-v0": "halsted.envs.surgery.tissue.suture:SutureEnv",
    "halsted/TissueCut-v0": "halsted.envs.surgery.tissue.cut:TissueCutEnv",
    "halsted/TissueRetract-v0": "halsted.envs.surgery.tissue.retract:TissueRetractEnv",
}

VECTORS = {
    "halsted/NeedleReach-v0": "halsted.envs.surgery.dexterity.needle_reach_batch:NeedleReachBatch",
    "halsted/ECMReach-v0": "halsted.envs.surgery.endoscope.batch:ECMReachBatch",
    "halsted/MisOrient-v0": "halsted.envs.surgery.endoscope.batch:MisOrientBatch",
    "halsted/StaticTrack-v0": "halsted.envs.surgery.endoscope.batch:StaticTrackBatch",
}
"""Those that also come in batches of the kinematic tier."""


def register_environments() -> None:
    """Tell Gymnasium of every environment."""
    for name, entry_point in ENVIRONMENTS.items():
        register(id=name, entry_point=entry_point, vector_entry_point=VECTORS.get(name))
