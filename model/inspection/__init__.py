"""Figures and questions about a trained network: Fig. 5, faithfulness, occlusion, galleries."""
