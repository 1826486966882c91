# Many small objects: orders are made, grouped by hashes, written out as text, and left to the collector.
Item = Struct.new(:good, :amount)
Order = Struct.new(:number, :customer, :items)

rounds, count = ARGV.map(&:to_i)
random = Random.new(1)
sum = 0
rounds.times do
  orders = Array.new(count) do |number|
    items = Array.new(1 + random.rand(5)) { Item.new("a good with a name of its own #{random.rand(500)}", 1 + random.rand(9)) }
    Order.new(number, "customer #{random.rand(3000)}", items)
  end
  groups = orders.group_by(&:customer)
  lines = groups.map do |customer, group|
    texts = group.map { |order| "#{order.number}: #{order.items.map { |item| "#{item.amount} of #{item.good}" }.join(", ")}" }
    "#{customer}\n#{texts.join("\n")}"
  end
  sum = (sum + lines.sum(&:length) * groups.size) % 1_000_000_007
end
puts sum
