"""The dexterity suite: instruments, needles, pegs and rings on a bench."""
