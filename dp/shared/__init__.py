"""Problems whose queries all speak of one unknown parameter: their exact optimum and exact values of rules."""
