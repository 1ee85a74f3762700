module vod-operator.dev/testkit/pause

go 1.26
