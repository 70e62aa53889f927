"""DRAEM Heatmap Explorer's library: checkpoints, inference, masks, metrics, training. Never imports streamlit."""
