// The program: the command line, with the commands that need the assembled balancer.
import CLI
import CSystem

let programs = Programs(serve: ServeCommand.run, demo: DemoCommand.run)
exit(CommandLineRunner.run(Array(CommandLine.arguments.dropFirst()), programs).rawValue)
