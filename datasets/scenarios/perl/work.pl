# Reads a made-up log: fields by regular expression, hashes of arrays, objects, a sorted report.
use strict;
use warnings;

my $state = 11;
sub number { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 8) % $_[0] }

package Visit;
sub new { my ($class, %field) = @_; return bless {%field}, $class }
sub path { return $_[0]{path} }
sub bytes { return $_[0]{bytes} }

package main;

my @log;
push @log, sprintf('10.0.%d.%d - - [%02d/Oct/2020:%02d:%02d] "GET /%s/page%d.html?%s HTTP/1.1" %d %d "%s"',
    number(9), number(250), 1 + number(28), number(24), number(60), qw(shop blog help about)[number(4)], number(300),
    join('&', map { 'key' . number(50) . '=' . ('v' x number(30)) } 1 .. number(4)), (200, 200, 404)[number(3)],
    number(90000), 'browser ' x (1 + number(6))) for 1 .. 15000;

my (%by_host, %by_path, %query, @kept);
for my $line (@log) {
    my ($host, $day, $path, $query, $status, $bytes) =
        $line =~ m{^(\S+) \S+ \S+ \[(\d+)/[^\]]*\] "GET (/[^?]*)\?(\S*) [^"]*" (\d+) (\d+)} or next;
    my $visit = Visit->new(host => $host, day => $day, path => $path, status => $status, bytes => $bytes);
    push @{$by_host{$host}}, $visit;
    $by_path{$visit->path}{$status} += $visit->bytes;
    for my $pair (split /&/, $query) {
        my ($name, $value) = split /=/, $pair, 2;
        $query{$name} .= substr($value // '', 0, 10);
    }
    push @kept, join(' ', map { ucfirst } split /[^a-z]+/, lc $line);
    shift @kept if @kept > 500;
}
my @report;
for my $path (sort { ($by_path{$b}{200} // 0) <=> ($by_path{$a}{200} // 0) || $a cmp $b } keys %by_path) {
    push @report, sprintf('%-30s %s', $path, join(', ', map { "$_: $by_path{$path}{$_}" } sort keys %{$by_path{$path}}));
}
for my $host (sort keys %by_host) {
    my %days;
    $days{$_->{day}}++ for @{$by_host{$host}};
    push @report, "$host " . join(' ', map { "$_=$days{$_}" } sort { $a <=> $b } keys %days);
}
my $text = join "\n", @report;
$text =~ s/(\d{4,})/scalar reverse $1/ge;
print length($text), ' ', scalar(keys %query), ' ', scalar(@kept), "\n";
