module brizo.example/group-aggregate

go 1.27
