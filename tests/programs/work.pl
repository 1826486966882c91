# Ordinary work of a perl program: hashes, strings that grow, sorts, closures, objects, evals, children.
use strict;
use warnings;

my $state = 1;
sub number { $state = ($state * 1103515245 + 12345) % 2147483648; return $state % $_[0] }

my %count;
$count{"word " . number(5000)} .= chr(97 + number(26)) x number(20) for 1 .. 60000;
delete $count{$_} for grep { /[05]$/ } keys %count;
my $sum = 0;
$sum = ($sum * 31 + length($_) + length($count{$_})) % 1000000007 for sort keys %count;
print "hash ", scalar(keys %count), " $sum\n";

my $text = "";
$text .= "line $_: " . ("=" x number(60)) . "\n" for 1 .. 20000;
(my $changed = $text) =~ s/line (\d+)/"LINE " . $1 * 2/ge;
my @parts = split /\n/, $changed;
print "text ", length($changed), " ", scalar(@parts), " ", $parts[-1], "\n";

my @nested = map { { id => $_, list => [map { $_ * 2 } 1 .. number(40)], next => undef } } 1 .. 5000;
$nested[$_]{next} = $nested[$_ + 1] for 0 .. $#nested - 1;
my ($length, $node) = (0, $nested[0]);
while ($node) { $length += @{$node->{list}}; $node = $node->{next} }
print "nested $length\n";

package Counter { sub new { bless {n => $_[1]}, $_[0] } sub DESTROY { $Counter::ended++ } }
{ my @objects = map { Counter->new($_) } 1 .. 20000 }
print "ended $Counter::ended\n";

my @closures = map { my $n = $_; sub { $n += $_[0] } } 1 .. 3000;
my $total = 0;
$total += $_->(7) for @closures;
print "closures $total\n";

my $failed = 0;
for my $i (1 .. 500) { eval { die { code => $i, text => "x" x $i } if $i % 2; 1 } or $failed += $@->{code} }
print "failed $failed\n";
print "compiled ", eval(join "+", map { "($_ * 2)" } 1 .. 800), "\n";

$| = 1;
for my $child (1 .. 5) {
    pipe(my $reader, my $writer) or die;
    my $pid = fork() // die;
    if (!$pid) {
        my %own = map { $_ => "v" x $_ } 1 .. 500;
        print $writer length(join "", map { $own{$_} } sort keys %own), "\n";
        close $writer;
        exit $child;
    }
    close $writer;
    print "child said ", scalar(<$reader>);
    waitpid $pid, 0;
    print "child left ", $? >> 8, "\n";
}
print "listed ", scalar(split /\n/, `ls /usr/bin | head -50`), "\n";
print "all done\n";
