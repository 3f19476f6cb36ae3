//! Methods: who sends them, what correlates them, which capability they need.
