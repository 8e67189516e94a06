"""What the report says, one file a section: documents from numbers, without any format."""
