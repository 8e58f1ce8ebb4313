"""Tasks on soft tissue: retract it, cut it, suture it."""
