# Bursts of jobs, each job a Perl thread with an interpreter of its own, and quiet times between them.
# A job fills a hash, reads it and empties it again.
# Usage: jobs.pl BURSTS THREADS ENTRIES SEED
use strict;
use warnings;
use threads;
use Time::HiRes qw(sleep);

my ($bursts, $threads, $entries, $seed) = @ARGV;

sub work {
    my ($number) = @_;
    srand($number);
    my ($found, %kept) = (0);
    for my $round (1 .. 3) {
        for (1 .. $entries) {
            my $key = int(rand(3 * $entries));
            $kept{$key} = { name => "entry $key", text => "word " x int(rand(40)), list => [1 .. int(rand(12))] };
        }
        for (1 .. $entries) {
            my $entry = delete $kept{ int(rand(3 * $entries)) };
            $found += length($entry->{text}) + @{ $entry->{list} } if $entry;
        }
    }
    return $found;
}

my $total = 0;
for my $burst (1 .. $bursts) {
    my @jobs = map { threads->create(\&work, $seed * 10000 + $burst * 100 + $_) } 1 .. $threads;
    $total += $_->join for @jobs;
    sleep(0.2);
}
print "$total\n";
