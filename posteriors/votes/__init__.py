"""Label sets, designs (who labels which item), and validation of both."""
