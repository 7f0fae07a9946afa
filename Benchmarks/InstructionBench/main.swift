// `instruction-bench`: runs every case between marks and prints one line for each, `COUNT NAME`.
// By itself it measures nothing: scripts/instructions runs it under callgrind and reads the counts.

var sink = Sink()
for one in HeadCases.all + BlockCases.all + PickCases.all + BookCases.all {
  one.run(&sink)
  print(one.count, one.name)
}
print("#", sink.value)
