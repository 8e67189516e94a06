"""What a report's page (`report.html`) has that the tables on paper have not."""
