"""The main job on real input: a small service, its history, a fault, two accidents, and the verdict."""
