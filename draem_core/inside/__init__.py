"""DRAEM's insides for one picture: every stage, ablations on the way, one pixel followed, the network's plan.

All by hooks on the network that `Predictor` runs, so that what is shown is what was computed. Knows no pages.
"""
