"""Panes below the pattern: radial profile, polar unwrap, asymmetry, correlation map."""
