Console.out("steelyard \(Version.number)")
