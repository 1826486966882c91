"""What `import workbench as wb` offers: a whole session in about 25 names.

`workbench/__init__.py` imports each of them from its module here when it is first used, so that
`import workbench` stays fast. The commands of the command line call the same functions.
"""
