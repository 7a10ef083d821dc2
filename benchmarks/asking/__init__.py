"""The AI room beside its peers: who asks, who answers, and what is measured."""
