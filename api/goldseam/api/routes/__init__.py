"""Routes by subject; thin: they read parameters, ask `goldseam.storage.queries`, shape answers."""
