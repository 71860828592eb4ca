"""Classes, their hierarchy and rules; completion of label sets, and legal sets."""
