# Hashes of hashes, lists and strings: lines of a made-up log are taken apart, counted and reported.
use strict;
use warnings;

my ($rounds, $count) = @ARGV;
my ($state, $sum) = (1, 0);

sub draw {
    my ($limit) = @_;
    $state = ($state * 16807) % 2147483647;
    return $state % $limit;
}

for my $round (1 .. $rounds) {
    my (%visitors, @lines);
    for my $number (1 .. $count // 20000) {
        push @lines, sprintf "10.0.%d.%d - user%d [%d] \"GET /page/%d?item=%d\" %d",
            draw(40), draw(250), draw(900), $number, draw(300), draw(5000), 200 + draw(300);
    }
    for my $line (@lines) {
        next unless $line =~ m{^(\S+) - (\w+) \[(\d+)\] "GET /page/(\d+)\?item=(\d+)" (\d+)$};
        my $visitor = $visitors{$2} //= {pages => {}, addresses => {}, trail => []};
        $visitor->{pages}{$4} += 1;
        $visitor->{addresses}{$1}{$6} += 1;
        push @{$visitor->{trail}}, {page => $4, item => $5, status => $6};
    }
    for my $name (sort keys %visitors) {
        my $visitor = $visitors{$name};
        my $trail = join ", ", map { "$_->{page}/$_->{item}" } @{$visitor->{trail}};
        $sum = ($sum + length($trail) * scalar(keys %{$visitor->{pages}}) + scalar keys %{$visitor->{addresses}})
            % 1000000007;
    }
}
printf "%08x\n", $sum;
