"""The raters behind the decisions: removal, agreement, diversity, clusters and kinds."""
