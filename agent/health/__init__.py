"""Pure: what attempts mean. Judge (measurement and thresholds -> outcome) and the state machine of one probe."""
